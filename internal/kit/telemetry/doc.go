// Package telemetry is what a process says about itself: log lines and metrics.
//
// It is the one home of the Prometheus client; other packages use the aliases and constructors here. A Registry belongs to
// a process, Service gives the part of it that one service shows on its own port, so that four ports of one process do not
// export one counter four times. Constructors panic only for a mistake of the program (a bad name); asking twice for the
// same metric gives the same one, and a nil Registry makes metrics that nobody reads, for tests.
package telemetry
