// Package forecast tells how a regular series of numbers goes on, with an interval and with the proof of how good it would have been.
//
// In goes a series of values apart by one step (NaN where one is missing), the lengths of its seasons in steps, how many steps to look
// ahead and the share that the interval shall hold. Out come that many values with a lower and an upper bound in the unit of the
// series, the method, a backtest and warnings; or an *Error with a code, such as InsufficientData.
//
// How it is done:
//   - Gaps are filled from the same place of neighbouring seasons, and told (fill.go). What lies before a lasting change of level is
//     left out, and told (shift.go).
//   - Several simple methods (pool.go, ridge.go, level.go) are asked at several points of the past what comes next, each seeing only what
//     lies before the point ("rolling origins": Tashman, International Journal of Forecasting 16, 2000). Their mean is weighted by
//     their errors there, the better the more (combine.go, after Bates and Granger, Operational Research Quarterly 20, 1969).
//   - What seasonal naive, the value one season ago, would have told is told beside it, and where it would have been better it is taken.
//   - Intervals are those of split conformal prediction (Vovk et al., Algorithmic Learning in a Random World, 2005): the errors that
//     were made at the origins bound the next one (interval.go).
//
// The package is pure: no clock, no chance, no input or output. The same series with the same options gives the same result, alone
// or beside others. It holds a few copies of the series in memory and keeps nothing.
package forecast
