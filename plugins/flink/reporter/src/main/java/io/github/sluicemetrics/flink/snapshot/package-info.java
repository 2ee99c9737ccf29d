/**
 * The values of all metrics at one moment, copied on Flink's thread without allocating and handed over without
 * waiting.
 */
package io.github.sluicemetrics.flink.snapshot;
