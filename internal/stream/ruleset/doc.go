// Package ruleset says which rules count, and answers for them over HTTP.
//
// In come three layers. The pack comes with hxp; the files are those of the folder rules in the configuration, read at the start
// and by SIGHUP; the commands are what was put and deleted over the API, from the control log. Of two rules of one name the
// later layer's counts. A deleted name is a tombstone over the layers below: its rule is switched off until it is put again.
// Out come the rules that count (Current), for whoever runs them.
//
// # What is promised
//
//   - Every instance has the same commands, in the order of the control log, and keeps them over a restart. Whether a command
//     that names a version is applied is decided when it is applied, so of two that race one gets 412.
//   - Files are taken whole or not at all: with one fault in any of them the rules stay as they were.
//   - While the control log is read again from its start, the rules of before count. An outage of the brokers changes no rule.
//   - Each change has a number, so whoever runs the rules takes up others and nothing else.
//
// The road through the files: set.go holds the layers, command.go what the control log says, files.go reads the folder, api.go
// answers.
package ruleset
