// Package engine runs a program over partitions. One worker owns a partition and
// everything in it, so there are no locks on the way of a sample:
//
//	scan the record → find its label set, its metric, its points in the cache
//	  hit:  look at time and value, append to the output
//	  miss: decode, run the program once, remember the verdict and where it goes
//	→ lane of a sink, or records for the processed topic → acknowledge → offset
//
// The engine declares the ports it writes to (SampleSink, RecordSink) and does not
// know who satisfies them; whoever reads a partition drives its Worker. It does
// not know Kafka, HTTP or CUE.
package engine
