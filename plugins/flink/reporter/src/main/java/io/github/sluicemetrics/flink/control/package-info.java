/**
 * What a reporter may leave out: the control document, where it comes from, and what it decides. In doubt
 * everything is sent. It knows series by name and labels, not how they are read or written.
 */
package io.github.sluicemetrics.flink.control;
