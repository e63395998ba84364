package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/kit/auth"
)

func authCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "auth", Short: "Who may come in: access tokens", Args: noVerb,
		Example: "  hxp auth token create --scope ingest --name gateway\n  hxp auth token list",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(tokenCommand())
	return cmd
}

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Access tokens: create, list, revoke, rotate", Args: noVerb,
		Long: "These commands change the file of tokens that HXP_AUTH_TOKENS_FILE (auth_tokens_file) names, whether hxp runs or not; a running one sees it\nwithin seconds. The file holds hashes: a token is shown once, when it is made.\n\n" +
			"Scopes: ingest (bring events), read (look, and listen to streams), act (kill switch, take changes back), approve (decide on proposals),\nadmin (change anything else; may also look and act).",
		Example: "  export HXP_AUTH_TOKENS_FILE=/etc/hxp/tokens.json\n  hxp auth token create --scope ingest --name gateway\n  hxp auth token create --scope read --name acme-viewer --tenant acme --expires 720h\n" +
			"  hxp auth token list --json\n  hxp auth token rotate gateway --grace 10m\n  hxp auth token revoke acme-viewer",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(tokenCreate(), tokenList(), tokenRevoke(), tokenRotate())
	return cmd
}

// tokenVerb is a command on the file of tokens.
func tokenVerb(use, short, example string, args cobra.PositionalArgs, run func(cmd *cobra.Command, f auth.File, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: example, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		cfg, err := settings(cmd)
		if err != nil {
			return err
		}
		f, err := cfg.Tokens()
		if err != nil {
			return err
		}
		return run(cmd, f, args)
	}}
	cmd.Flags().Bool("json", false, "as JSON")
	configFlags(cmd.Flags())
	return cmd
}

// made is a token that was just made, with its text.
type made struct {
	auth.Token
	Text string `json:"token"`
}

// showMade prints a token. Without --json the text stands alone on stdout, so that it can go into a file or a variable.
func showMade(cmd *cobra.Command, t auth.Token, text string) error {
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		return printJSON(cmd, made{t, text})
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "token %s (%s) with scope %s%s; it is not shown again:\n", t.ID, t.Name, t.Scopes, ofTenant(t.Tenant))
	_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

func ofTenant(tenant string) string {
	if tenant == "" {
		return ""
	}
	return " of tenant " + tenant
}

func tokenCreate() *cobra.Command {
	cmd := tokenVerb("create", "Make a token and show it, once", "  hxp auth token create --scope ingest --name gateway\n  hxp auth token create --scope read,act --name oncall --expires 720h --json\n  hxp auth token create --scope ingest,read --name acme --tenant acme", noArgs,
		func(cmd *cobra.Command, f auth.File, _ []string) error {
			names, _ := cmd.Flags().GetString("scope")
			scopes, err := auth.ParseScopes(names)
			if err != nil {
				return usage(fmt.Errorf("--scope: %w", err))
			}
			life, err := duration(cmd, "expires")
			if err != nil {
				return err
			}
			name, _ := cmd.Flags().GetString("name")
			if strings.TrimSpace(name) == "" {
				return usage(errors.New("--name: say whose the token is, as in --name gateway; it stands in the audit log, and rotate and revoke take it"))
			}
			tenant, _ := cmd.Flags().GetString("tenant")
			t, text, err := f.Create(name, scopes, tenant, life)
			if err != nil {
				return err
			}
			return showMade(cmd, t, text)
		})
	f := cmd.Flags()
	f.String("scope", "", "what it may do: ingest, read, admin, act, approve, with commas between several")
	f.String("name", "", "whose it is; it stands in the audit log")
	f.String("tenant", "", "bind it to a tenant: it brings and sees what is of this tenant alone")
	f.Duration("expires", 0, "how long it is good for, as in 720h; without an end when absent")
	return cmd
}

func duration(cmd *cobra.Command, name string) (time.Duration, error) {
	d, err := cmd.Flags().GetDuration(name)
	if err == nil && d < 0 {
		err = fmt.Errorf("--%s %s: give a time that is not over", name, d)
	}
	return d, usage(err)
}

func tokenList() *cobra.Command {
	return tokenVerb("list", "List the tokens; their texts are not kept", "  hxp auth token list\n  hxp auth token list --json", noArgs, func(cmd *cobra.Command, f auth.File, _ []string) error {
		list, err := f.List()
		if err != nil {
			return err
		}
		return printAs(cmd, map[string]any{"tokens": list}, func(w *tabwriter.Writer) {
			fmt.Fprintln(w, "ID\tNAME\tSCOPES\tTENANT\tCREATED\tEXPIRES")
			for i := range list {
				t := &list[i]
				expires := "never"
				if t.Expires != nil {
					expires = moment(*t.Expires)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, t.Scopes, t.Tenant, moment(t.Created), expires)
			}
		})
	})
}

func tokenRevoke() *cobra.Command {
	return tokenVerb("revoke ID", "Take a token away", "  hxp auth token revoke k3v5xq7a2b\n  hxp auth token revoke gateway", exactly("the id or the name of a token"), func(cmd *cobra.Command, f auth.File, args []string) error {
		t, err := f.Revoke(args[0])
		if err != nil {
			return changeFault(err)
		}
		return printAs(cmd, t, func(w *tabwriter.Writer) { fmt.Fprintf(w, "revoked\t%s\t%s\n", t.ID, t.Name) })
	})
}

func tokenRotate() *cobra.Command {
	cmd := tokenVerb("rotate ID", "Give a token a new secret and show it, once", "  hxp auth token rotate k3v5xq7a2b\n  hxp auth token rotate gateway --grace 10m --json", exactly("the id or the name of a token"),
		func(cmd *cobra.Command, f auth.File, args []string) error {
			grace, err := duration(cmd, "grace")
			if err != nil {
				return err
			}
			t, text, err := f.Rotate(args[0], grace)
			if err != nil {
				return changeFault(err)
			}
			return showMade(cmd, t, text)
		})
	cmd.Flags().Duration("grace", 0, "how long the secret before still counts, as in 10m")
	return cmd
}

// changeFault says where the tokens are listed.
func changeFault(err error) error {
	if errors.Is(err, auth.ErrUnknown) || errors.Is(err, auth.ErrAmbiguous) {
		return fmt.Errorf("%w; hxp auth token list shows them", err)
	}
	return err
}
