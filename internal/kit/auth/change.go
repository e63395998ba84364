package auth

import "reflect"

// TokenChange is what became of a token. Of one that was made there is no Before, of one that was revoked no After.
type TokenChange struct {
	What          string // created, revoked, rotated or changed
	Before, After *Token
}

// Token is the one that the change is about.
func (c *TokenChange) Token() *Token {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

// changes tells two states of the file apart.
func changes(before, after []entry) (out []TokenChange) {
	was := make(map[string]*entry, len(before))
	for i := range before {
		was[before[i].ID] = &before[i]
	}
	for i := range after {
		now, old := &after[i], was[after[i].ID]
		delete(was, now.ID)
		switch {
		case old == nil:
			out = append(out, TokenChange{"created", nil, &now.Token})
		case old.Secret != now.Secret:
			out = append(out, TokenChange{"rotated", &old.Token, &now.Token})
		case !reflect.DeepEqual(old.Token, now.Token):
			out = append(out, TokenChange{"changed", &old.Token, &now.Token})
		}
	}
	for i := range before {
		if gone := was[before[i].ID]; gone != nil {
			out = append(out, TokenChange{"revoked", &gone.Token, nil})
		}
	}
	return out
}
