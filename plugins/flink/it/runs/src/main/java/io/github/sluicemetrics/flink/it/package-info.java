/**
 * Real runs of the reporter: a Kafka broker, Flink clusters and Sluice as processes, what reads
 * their answers, and the recorder that keeps them. It knows the reporter only from outside: its jar,
 * its options and the records it writes.
 */
package io.github.sluicemetrics.flink.it;
