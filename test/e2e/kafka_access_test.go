package e2e

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// A broker that wants a user who is not named: every way in says so in one line and ends with 1, and none waits for ever.
func TestKafkaWantsAUser(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "hxp", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	addr := c.ListenAddrs()[0]
	for _, args := range [][]string{{"up"}, {"run", "kafka-api"}, {"run", "stream"}, {"simulate", "--duration", "1s"}, {"replay", "-"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
			defer cancel()
			if args[0] == "up" || args[0] == "run" {
				args = append(args, "--data-dir", t.TempDir())
			}
			cmd := exec.CommandContext(ctx, binary, args...)
			cmd.Env = append(cleanEnv(), "KAFKA_BOOTSTRAP_SERVERS="+addr, "HXP_LOG_LEVEL=warn")
			for _, p := range ports {
				cmd.Env = append(cmd.Env, p+"=0")
			}
			var out bytes.Buffer
			cmd.Stderr = &out
			err := cmd.Run()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
				t.Errorf("ended with %v, want exit code 1", err)
			}
			wants(t, "stderr", out.String(), addr, "KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM=", "SCRAM-SHA-512", "KAFKA_SASL_USERNAME=")
			if n := strings.Count(out.String(), "\n"); n != 1 {
				t.Errorf("%d lines instead of one:\n%s", n, out.String())
			}
		})
	}
}
