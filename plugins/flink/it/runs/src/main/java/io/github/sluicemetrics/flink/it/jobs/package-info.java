/**
 * The jobs that are run, written as their users would write them. They know nothing of the reporter,
 * only of Flink, and run on 1.20 and 2.x alike, except those that need a connector.
 */
package io.github.sluicemetrics.flink.it.jobs;
