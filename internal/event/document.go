package event

import "errors"

// Document is a piece of state that a room keeps in the store, and that all its instances follow.
type Document struct {
	Kind, ID string
	Revision int64  // of the whole in which it last changed; a removal with one counts only while that is still so
	Body     []byte // nil = it was removed
}

// ErrNotOwner says that a write of an owner came when it was the owner no longer.
var ErrNotOwner = errors.New("another instance has taken over")
