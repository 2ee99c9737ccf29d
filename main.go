// Sluice governs the metrics of Apache Flink fleets between Flink and the
// monitoring stack.
//
//	sluice demo             everything on this machine, with a fleet of recorded Flink jobs
//	sluice run              one instance, on Kafka or with a broker of its own
//	sluice check DIR        is the policy set right?
//	sluice replay FILE      feed records into a topic
//
// "sluice help COMMAND" teaches each of them; "sluice help CODE" explains a finding.
package main

import (
	"os"

	"github.com/sluice-metrics/sluice/api/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
