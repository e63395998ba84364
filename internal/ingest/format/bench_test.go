package format

import "testing"

func BenchmarkFixtures(b *testing.B) {
	for _, name := range []string{"traces", "metrics", "logs", "litellm", "openai", "langfuse"} {
		body := fixture(b, name)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				it := Items{Max: 1000}
				if err := readers[name](body, &it); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	body := toProto(b, "traces", fixture(b, "traces"))
	b.Run("traces as protobuf", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			it := Items{Max: 1000}
			if err := OTLP(Traces, false, body, &it); err != nil {
				b.Fatal(err)
			}
		}
	})
}
