package deliver

import (
	"testing"
	"time"
)

// The first is the example of Standard Webhooks' own libraries.
func TestSignature(t *testing.T) {
	const id, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", `{"test": 2432232314}`
	at := time.Unix(1614265330, 0)
	const secret, want = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got, err := Signature(secret, id, at, []byte(body)); err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	plain, err := Signature("a-token", id, at, []byte(body))
	if err != nil || plain == "" || plain == want {
		t.Errorf("%q, %v", plain, err)
	}
	if got, err := Signature(secret+" a-token", id, at, []byte(body)); err != nil || got != want+" "+plain {
		t.Errorf("two secrets: %q, %v", got, err)
	}
	if _, err := Signature("whsec_?", id, at, nil); err == nil {
		t.Error("a secret that is no base64 signs")
	}
}
