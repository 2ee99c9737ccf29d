/**
 * Records as Sluice reads them: layout, grouping into points, sizes, and the record that closes a report. It
 * knows nothing of Kafka.
 */
package io.github.sluicemetrics.flink.record;
