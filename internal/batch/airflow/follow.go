package airflow

import (
	"context"
	"time"
)

// UserChange is what somebody did to a user in the files of the vault.
type UserChange struct {
	What          string // created, changed or removed
	Before, After *User  // nil = there was, or is, none; equal when only the password is another one
}

// followEvery is how often the files are looked at.
const followEvery = 10 * time.Second

// Follow tells of users that commands, or persons, make, change and remove in the files beside it, until ctx ends. What cannot be read is told to
// who logs in.
func (v *Vault) Follow(ctx context.Context, changed func([]UserChange)) error {
	before, err := v.Users()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, failed := v.Users()
		if failed != nil {
			continue
		}
		if list := userChanges(before, now); err == nil && len(list) > 0 {
			changed(list)
		}
		before, err = now, nil
	}
}

// userChanges tells two states of the vault apart; both are by name.
func userChanges(before, after []User) (out []UserChange) {
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].Name < after[0].Name:
			out = append(out, UserChange{"removed", &before[0], nil})
			before = before[1:]
		case len(before) == 0 || after[0].Name < before[0].Name:
			out = append(out, UserChange{"created", nil, &after[0]})
			after = after[1:]
		default:
			if before[0] != after[0] {
				out = append(out, UserChange{"changed", &before[0], &after[0]})
			}
			before, after = before[1:], after[1:]
		}
	}
	return out
}
