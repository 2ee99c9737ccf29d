/**
 * Delivery to Kafka: producers that drop rather than wait, and counts of what became of each record. It knows
 * nothing of what records say.
 */
package io.github.sluicemetrics.flink.kafka;
