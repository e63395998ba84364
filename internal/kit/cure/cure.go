// Package cure lets an error say what to do about it, so that whoever shows it can show that apart.
package cure

import "errors"

type curable struct {
	error
	cure string
}

// With is err that says what to do about it; without a cure it is err.
func With(err error, cure string) error {
	if err == nil || cure == "" {
		return err
	}
	return &curable{err, cure}
}

func (c *curable) Error() string { return c.error.Error() + "; " + c.cure }
func (c *curable) Unwrap() error { return c.error }

// Of tells what is wrong and what to do about it, or about anything else.
func Of(err error, otherwise string) (what error, cure string) {
	if c, ok := errors.AsType[*curable](err); ok {
		return c.error, c.cure
	}
	return err, otherwise
}
