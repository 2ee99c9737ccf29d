// Package policy turns what authors write in CUE into plain values: the policy
// set of a directory, and the configuration of an instance. It finds every
// mistake at the place where it was written, and says what to write instead.
//
// It is the only package that knows CUE, and nothing of CUE leaves it: a [Bundle]
// is plain data with a digest. It does not know what rules do (package program
// does), where sets come from, or when they are applied.
//
// A set is judged in four steps, each in files of its own: the files that make a
// team (snapshot, packages, source), what CUE accepts in silence (holes, cycle),
// what CUE refuses (evaluate, explain, with shape as the schema's plan), and what
// the values mean (check).
package policy
