// Package retention lets old data go, with proof, and brings it back.
//
// In come, through small interfaces that app connects: the live files of the lake, the hourly aggregates, the reports, and legal
// holds. Out go plans, copies in an archive, and the marks by which the lake, the tables and the list of reports lose what is old.
//
// Promised:
//   - A plan comes first. A dry run is the same document. What a plan names is what leaves, or less.
//   - Nothing leaves without proof. Raw files of an hour leave together, when the stored aggregate of the hour is built from all of
//     them, its rows are what its cells say, and counting the raw events anew gives the same cells. Hourly aggregates leave by
//     days, when the day counts them and their raw files are archived. Nothing that a legal hold touches leaves. All of it is
//     looked at again in the transaction in which the data leaves.
//   - More than a quarter of a class leaves only by force, and nothing leaves while a clock is in doubt. Force overrides neither
//     proof nor holds.
//   - Copy first: a file is written to the archive whole, synced, read again, and named by the manifest before it is marked. A
//     marked file stays in its place for a grace; then it is removed. Restore within the grace takes the mark away, later it
//     brings the copy back, which is hashed before it is used.
//   - Killed at any step, nothing is lost and nothing doubled; the plan is carried out to its end by the next start, or by another
//     instance.
//
// On failure of the archive, the lake or the database the plan is failed with the reason, and what was not marked stays. A plan that
// is refused is logged as an error and counted.
package retention
