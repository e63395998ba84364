// Package app is the only wiring: it reads the configuration tree, builds the rooms that were asked for, connects them with
// each other, starts them in the order of their dependencies and stops them in reverse. In comes a Config and the names of
// services; out comes a running system, its addresses in the ready file, and the first cause when something fails.
//
// The road through the files: services.go is the map of everything that can run and what it needs; system.go builds each
// part once what it needs is ready; run.go starts, announces and stops; bench*.go measures the same system.
package app
