/**
 * How often things are tried and said again.
 */
package io.github.sluicemetrics.flink.pace;
