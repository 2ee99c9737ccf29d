package diag

// instanceHelp is about the configuration of an instance, sluice.cue.
var instanceHelp = []Help{
	{
		Code:  PlainInClear,
		Title: "password that would cross a network in the clear",
		Text: "SASL PLAIN sends the password as it is. Without TLS it is permitted to brokers on this machine " +
			"only.",
		Bad: `-- sluice.cue --
brokers: ["kafka.example.com:9092"]
sasl: {mechanism: "plain", user: "sluice", password: "env://KAFKA_PASSWORD"}
`,
		Good: `-- sluice.cue --
brokers: ["kafka.example.com:9092"]
sasl: {mechanism: "plain", user: "sluice", password: "env://KAFKA_PASSWORD"}
tls: {}
`,
	},
	{
		Code:  HalfKeyPair,
		Title: "certificate without key, or key without certificate",
		Text:  "To authenticate by certificate takes both files.",
		Bad: `-- sluice.cue --
tls: cert: "/etc/sluice/client.pem"
`,
		Good: `-- sluice.cue --
tls: {cert: "/etc/sluice/client.pem", key: "/etc/sluice/client.key"}
`,
	},
	{
		Code:  BadNetwork,
		Title: "not an address or network",
		Text: "An address is a host and a port from 0 to 65535. A network is an address and the number of its " +
			"leading bits.",
		Bad: `-- sluice.cue --
egressAllow: ["10.0.0.0/80"]
`,
		Good: `-- sluice.cue --
egressAllow: ["10.0.0.0/8"]
`,
	},
}
