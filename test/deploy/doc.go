// Package deploy holds what is handed over in the folder deploy to the program: rules and dashboards name metrics that exist, alerts have a runbook and a
// test, units are hardened, samples load without a warning.
package deploy

const root = "../.."
