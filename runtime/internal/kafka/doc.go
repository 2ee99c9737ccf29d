// Package kafka is the only part of Sluice that speaks Kafka. It turns a
// consumer group into workers of partitions (Source), writes records in order
// (Sink, Publisher), makes topics (Admin) and runs a broker inside the process
// (Embedded).
//
// It moves bytes and offsets. It does not know what a record says, what a policy
// is, or which sink a worker writes to; it commits what a worker says is
// acknowledged and nothing beyond it. A record is never skipped in silence: what
// the broker no longer has is declared as a Gap.
package kafka
