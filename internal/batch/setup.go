package batch

// setup is the configuration that holds now, and the DAGs that follow from it. It is replaced whole and never changed.
type setup struct {
	cfg    Config
	dags   []*dag
	number int // counts setups: what was worked out under one is not told under another
}

func (s *Service) cfg() *Config { return &s.setup.Load().cfg }

func (s *Service) dags() []*dag { return s.setup.Load().dags }

// Fixed lists the settings of Config that take effect at a start only: what memory and places are shared out by, and which columns stored
// rows have.
var Fixed = []string{"batch_processing.workers", "batch_processing.memory_mb", "data_aggregation.metrics", "reports"}

// Reconfigure lets another configuration hold from now on. What is under way goes on as it began; runs that are not due yet become due by
// the new crons. What is Fixed stays as it was.
func (s *Service) Reconfigure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	was := s.setup.Load()
	cfg.Processing.Workers, cfg.Processing.MemoryMB = was.cfg.Processing.Workers, was.cfg.Processing.MemoryMB
	cfg.Aggregation.Metrics, cfg.ReportsDir = was.cfg.Aggregation.Metrics, was.cfg.ReportsDir
	s.setup.Store(&setup{cfg, s.catalogue(cfg.Processing), was.number + 1})
	s.rouse()
	return nil
}
