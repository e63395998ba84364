// Package host measures the machine that hxp runs on: processor, memory, disks, network, and GPUs where nvidia-smi is there.
//
// In come files of /proc and the answer of nvidia-smi. Out go system metrics through the Intake that the caller gives, one
// event for the machine and one for each GPU, under the same names as the node exporter and the DCGM exporter have.
//
// Promised: no number without two readings where it takes two; what the machine does not tell is left out; nvidia-smi is
// bounded in time and output. Readings lie on a grid of the clock and ids follow from host and time, so that two processes of
// one machine bring everything once. Where there is no /proc it is said once, and only GPUs are measured.
package host
