// Package cost is what requests cost: a price book with a memory, and the sums over requests that follow from it. It is pure:
// no clock, no file, no network.
//
// In come prices (as commands of the control log under Prefix), and events as the readers of the topics see them. Out go the cost
// of a request in whole nano-USD, and tables, files and answers made of many.
//
// A request is rated once, on arrival. Nobody has to remember that it was: what a request costs follows from the request, the moment
// at which its record was written, and the book alone. Each version of a price says from when it holds for the times of requests
// (effective_from) and from when on it counts for records that arrive (known_from, the moment it was put plus Notice). The version
// that rates is the one with the latest effective_from not after the request, among those that were known when it arrived; of two
// with the same effective_from the one that became known last. So the windows, the lake, a window that is counted again and a dry run
// of rules all find the same number, whenever they look, and a price that is put later or dated back changes nothing old.
//
//   - A cost that the event brings wins. It is never changed and never looked up.
//   - Prices are held in whole pico-USD a token (a finer price is rounded, halves to even). A request is the exact sum of tokens times
//     prices, rounded once to whole nano-USD, halves to even.
//   - Tokens that were read from a cache or written to one, sound and images are parts of the prompt; reasoning, sound and images are parts
//     of the answer. Each part costs what the others do unless it has a price of its own. A price "above n tokens" holds for the whole request
//     whose prompt is longer, not for what lies above.
//   - What is not known stays unpriced: no price for the model at that time, or a count of tokens that the price needs and the event
//     does not tell. Unpriced is counted and shown, and is never zero.
//
// Own GPUs cost by the hour, used or not. Each hour is shared out among its requests in whole nano-USD (PoolHour), and what they did not use is
// idle; so sums over any span and any key make up what the pools cost.
package cost
