package agg

import "unsafe"

// unsafeString makes a string that aliases b, as the parser does.
func unsafeString(b []byte) string { return unsafe.String(&b[0], len(b)) }
