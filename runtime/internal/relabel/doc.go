// Package relabel turns relabelling rules of Prometheus into a policy that does the
// same, as text with comments where it cannot. It knows what both languages mean;
// it does not read files, and does not know where policies go.
//
// Prometheus runs its steps one after another on one set of labels. Here control
// rules, and the selectors of all rules, look at a series as it was reported, while
// rewrites work on what the ones before have made of it. So a step can be expressed
// when its conditions are about labels that no step before it writes.
package relabel
