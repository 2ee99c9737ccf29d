/**
 * The options of the reporters: names, defaults, what is allowed, and what is said of a wrong one.
 */
package io.github.sluicemetrics.flink.options;
