// Package report turns rows of the aggregation tables into documents: JSON, CSV and PDF.
//
// In comes a Summary: the rows of a period, its totals and those of the period before, and how much of the period the rows
// cover. Out go bytes. They depend on what came in and on the templates of this package alone: no clock, no machine, no random
// number and no creation date, so that the same data give the same file, which can be compared by its sha256.
//
// Promised: the numbers of one report are the same in all formats; the CSV has the rows of the JSON; a cell of the CSV is
// never a formula to a spreadsheet; the PDF has its fonts and its CSV in it and needs nothing from outside.
//
// On failure: data that cannot be shown (a time outside of the period, two rows of one model) are an error, never a document
// that is wrong.
package report
