package e2e

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// database makes a new database that lasts as long as the test, when HXP_TEST_POSTGRES is the URL of a server whose user may do
// that, and returns its URL; "" means that hxp keeps its own.
func database(t testing.TB) string {
	t.Helper()
	server := os.Getenv("HXP_TEST_POSTGRES")
	if server == "" {
		return ""
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("HXP_TEST_POSTGRES: ", err)
	}
	name := "hxp_e2e_" + strings.ToLower(rand.Text())
	ask := func(query string) {
		t.Helper()
		c, err := pgx.Connect(context.Background(), server)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		if _, err := c.Exec(context.Background(), query); err != nil {
			t.Error(err)
		}
	}
	ask("CREATE DATABASE " + name)
	t.Cleanup(func() { ask("DROP DATABASE " + name + " WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}
