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

// Of tells what to do about err, or about anything else, and what is wrong.
func Of(err error, otherwise string) (cure string, what error) {
	if c, ok := errors.AsType[*curable](err); ok {
		return c.cure, c.error
	}
	return otherwise, err
}
