// Package run starts and stops the long-lived parts of a process.
//
// In come units: a name, the names it needs, and a Service. Supervise starts each unit as soon as everything it needs is
// ready, and stops in the opposite order: a unit is asked to stop only after every unit that needs it has ended, so a
// consumer drains while what it writes to still works.
//
// Promised: Supervise returns only when every goroutine it started has ended. The first failure (an error, a panic, an end
// that nobody asked for) stops all the others and comes back wrapped with the unit's name; it is also the cause of every
// unit's context. An ordinary stop (the context given to Supervise ends) returns nil when all units drained without error.
// Supervise sets no time limit on draining: services bound their own, and the caller decides when to give up.
package run
