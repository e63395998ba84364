package airflow

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// claims are what a token says of its bearer, under the names that Airflow's tokens use.
type claims struct {
	Subject  string `json:"sub"`
	Role     string `json:"role"`
	Via      string `json:"via"`             // how runs that its bearer asks for are said to be triggered
	Stamp    string `json:"stamp,omitempty"` // of the user who logged in, see User; "" = signed by who holds the key
	Issued   int64  `json:"iat"`
	NotYet   int64  `json:"nbf"`
	Expires  int64  `json:"exp"`
	Audience string `json:"aud"`
}

const audience = "apache-airflow"

// tokenHead is the one header that is written and taken: no other algorithm, above all not "none", is ever looked at.
var tokenHead = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

var (
	errToken   = errors.New("the token is not one of ours")
	errExpired = errors.New("the token has expired")
)

// sign makes a JWT (HS256) of c.
func sign(secret []byte, c claims) string {
	body, _ := json.Marshal(c) // strings and numbers
	text := tokenHead + "." + base64.RawURLEncoding.EncodeToString(body)
	return text + "." + base64.RawURLEncoding.EncodeToString(seal(secret, text))
}

func seal(secret []byte, text string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// verify returns the claims of a token that sign made with the same secret and that is valid at now.
func verify(secret []byte, token string, now time.Time) (claims, error) {
	var c claims
	text, mac, ok := cutLast(token)
	if !ok || !strings.HasPrefix(text, tokenHead+".") {
		return c, errToken
	}
	got, err := base64.RawURLEncoding.Strict().DecodeString(mac)
	if err != nil || !hmac.Equal(got, seal(secret, text)) {
		return c, errToken
	}
	body, err := base64.RawURLEncoding.DecodeString(text[len(tokenHead)+1:])
	if err != nil || json.Unmarshal(body, &c) != nil || c.Audience != audience || c.Subject == "" {
		return claims{}, errToken
	}
	if t := now.Unix(); t < c.NotYet || t >= c.Expires {
		return claims{}, errExpired
	}
	return c, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}
