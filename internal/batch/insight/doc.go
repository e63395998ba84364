// Package insight says what changed, from numbers by day: pure statistics, no clock, no chance, no input but its arguments.
//
// In come series of days (one for each model, tenant and metric that is looked at). Out go findings: statements with the numbers that they
// stand on. Promised: the same series give the same findings; and few of them are false.
//
//   - A step is sought at every day, so its p-value is that of the best split times the number of splits tried (Bonferroni). Days resemble
//     the day before; what they tell is cut by their autocorrelation.
//   - Many series are looked at, so p-values are held together: of all that is said, at most one in a hundred may be false (Benjamini and
//     Hochberg, FDR).
//   - What is significant may still be of no importance: each kind of finding has a smallest size.
//   - A day without data is no day with zero. A series of too few days tells nothing.
//
// It finds steps, lasting and of at least three days on both sides. A slow drift fits a line better than a step and is told as a trend.
package insight
