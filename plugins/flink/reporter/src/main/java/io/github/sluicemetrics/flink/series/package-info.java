/**
 * The metrics that Flink has registered: prepared once, grouped into what shares a record, and assigned to
 * tasks. It never reads a value.
 */
package io.github.sluicemetrics.flink.series;
