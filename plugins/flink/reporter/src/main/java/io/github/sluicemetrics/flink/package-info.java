/**
 * Sluice's reporters for Apache Flink: what Flink loads. The packages beside this one do the work; only this one
 * and {@code event} know that a reporter has a life, none that there is more than one.
 */
package io.github.sluicemetrics.flink;
