package diag

// Code identifies a kind of finding for ever. Codes are append-only.
type Code string

// Findings about files, before anything is evaluated.
const (
	Syntax       Code = "P001" // a file is not CUE
	BadImport    Code = "P002" // an import that is not available
	BadReference Code = "P003" // a name that is not defined
	BadFile      Code = "P004" // a file that is too large, or not a regular file
	NoPolicy     Code = "P005" // a package without policy, or no package at all
	BadPackage   Code = "P006" // a file that no team reads
	TooExpensive Code = "P007" // evaluation beyond its limits
	BadTag       Code = "P008" // a tag that no field takes, or that cannot be one
	Forbidden    Code = "P009" // a construct of CUE that policies may not use
)

// Findings about the shape of what is written.
const (
	UnknownField Code = "P101" // a field that does not exist there
	BadValue     Code = "P102" // a value that is not allowed there
	BadName      Code = "P103" // a name that is not well-formed
	NoEffect     Code = "P104" // a field that declares nothing
	Stray        Code = "P105" // a top-level field beside policy
	Missing      Code = "P106" // a field that must be given
	NotConcrete  Code = "P107" // a field without a definite value
	Conflict     Code = "P108" // a field set to two values
	EmptyMatch   Code = "P109" // a selector that selects by nothing
	SecretInline Code = "P110" // a secret instead of a reference to one
	WrongTeam    Code = "P111" // a team that is not its directory
	OrgLimit     Code = "P112" // a value that the set's #Team refuses
	Cycle        Code = "P113" // fields that depend on each other
	TestOnly     Code = "P114" // a file of tests that changes the policy
	Unevaluated  Code = "P115" // anything else that CUE refuses
)

// Findings about the meaning of a set that has the right shape.
const (
	UnknownName   Code = "P201" // a sink, stream or rule that the set does not have
	BadPattern    Code = "P202" // a regular expression that RE2 refuses
	BadQuantity   Code = "P203" // a duration, size or day that makes no sense there
	Expiring      Code = "P204" // a rule that has expired, or soon will
	DirectLevel   Code = "P205" // direct with a level that needs the processed topic
	TopicLoop     Code = "P206" // a topic that would be read again after it is written
	TopicTwice    Code = "P207" // a topic or path with two owners
	NegativeScale Code = "P208" // a factor that turns a count around
	NoDefaultSink Code = "P209" // sinks, none of which takes what no route sends
	BadGroup      Code = "P210" // a reference to a group that the expression does not have
	Credentials   Code = "P211" // two ways to authenticate
	SameLabel     Code = "P212" // a rewrite from a label to itself
	NeverMatches  Code = "P213" // a pattern that no name fits
	TestFailed    Code = "P214" // a test of the set that fails
	LevelToCome   Code = "P215" // a level that is not available yet
	NoFlow        Code = "P216" // a set without a stream, or without a sink
	Twice         Code = "P217" // two of what a set has once
	DirectMixed   Code = "P218" // what a set with direct streams cannot have
	PathTaken     Code = "P219" // a path on which Sluice itself answers
)

// Findings about aggregates and budgets.
const (
	CrossPartition  Code = "P230" // members that are on different partitions
	AggregateLabels Code = "P231" // an aggregate with both drop and keep, or neither
	AggregateInto   Code = "P232" // members and their aggregate under one name
	GaugeUnchosen   Code = "P233" // gauges without a way to put them together
	BudgetUnbound   Code = "P234" // a budget without a bound
	WindowBounds    Code = "P235" // a window that is too short or too long
)

// How plugins are used.
const (
	PluginMissing Code = "P240" // a plugin that is not there, or is another
	PluginRefused Code = "P241" // a module that is not let in
	PluginConfig  Code = "P242" // a config that the plugin's schema refuses
	PluginScope   Code = "P243" // a scope that the plugin is not for
	PluginLimits  Code = "P244" // more than plugins may use
	PluginFailed  Code = "P245" // a plugin that cannot be made ready
)

// Findings about how the rules of a set, and what is known of Flink, go together.
const (
	Ambiguous     Code = "P301" // two rules that want different things of one series
	NeverDecides  Code = "P302" // a rule that nothing is left for
	Overruled     Code = "P303" // a rule whose series all belong to a guard
	UnknownMetric Code = "P304" // a name that is like Flink's and is none
	UnknownLabel  Code = "P305" // a label or tag that nothing gives
	LabelGone     Code = "P306" // a rewrite of a label that another has taken away
	TwoWriters    Code = "P307" // two rewrites that give one label two values
	Merges        Code = "P308" // a rewrite that makes one series of several
	UnsaidLoss    Code = "P309" // fewer samples than a level promises, without saying so
	NotAnalysed   Code = "P310" // patterns that take too long to compare
)

// Findings about the configuration of an instance.
const (
	PlainInClear Code = "I101" // a password that would cross a network unencrypted
	HalfKeyPair  Code = "I102" // a certificate without its key, or a key without it
	BadNetwork   Code = "I103" // an address or network that does not parse
)
