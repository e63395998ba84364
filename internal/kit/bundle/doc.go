// Package bundle writes and reads one file that holds many: a tar packed with zstd, which says first what it is and last what is in it.
//
// In: files by name, size and bytes. Out: a file that is there whole or not at all, and that names the sha256 of everything in it. On the
// way back every byte is compared with that list, so what Extract returns without an error is what was put in.
//
// On failure, or when the process dies, the file that was there before is unchanged; at most a temporary file is left beside it, which the
// next Create of the same name removes. Extract never writes outside of what its caller opens, and takes names that are plain relative
// paths only.
package bundle
