// Package core decides what is told to whom and when: Alertmanager's grouping, waiting, repeating, inhibition, silences and quiet hours,
// written anew, and escalation until somebody acknowledges.
//
// In come documents (a configuration, alerts, silences, acknowledgements, what was said, messages on their way) in the order of their
// revisions, and times; out come the documents that follow from them at a time. It reads no clock, does no input or output, and keeps
// nothing that does not follow from the documents, so that an instance that starts anew, or another one that takes over, decides the same.
//
// Promised: a message and the note that it was said are made together, to be stored in one transaction; whoever stores them once, says
// them once. While a message of a group to a receiver is on its way, no further one is made of them: what happens meanwhile follows when
// that one has ended. A message that was refused for good counts as not said.
//
// An Engine has no lock: its owner guards it.
package core
