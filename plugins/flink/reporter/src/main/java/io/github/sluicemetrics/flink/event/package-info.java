/**
 * Job states, failures and checkpoints as metrics, without the types of Flink 2.x, so that the classes load
 * everywhere.
 */
package io.github.sluicemetrics.flink.event;
