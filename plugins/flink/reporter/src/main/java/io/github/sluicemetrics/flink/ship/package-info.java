/**
 * The reporter's own thread: from a snapshot to records that are sent.
 */
package io.github.sluicemetrics.flink.ship;
