// Package table reads series of numbers from CSV, plain or gzip, one after another and within limits.
//
// Two forms are known by their first line:
//
//	id,part,values     one series a line, its values apart by blanks; lines of another part than "train" are passed over
//	t,value            one series, a value a line; t is an integer or a time (RFC 3339) and increases; an empty value, or a line
//	                   that is missing where the times are regular, is a gap
//
// What is wrong with one series of the first form is told with that series and the next one is read. What is wrong with the whole ends
// it with an error that says where ("FILE:LINE: reason"). A reader holds one series and the ids that it saw.
package table
