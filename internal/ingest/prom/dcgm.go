package prom

// gpuMemory is used ÷ (used + free): what the driver keeps for itself is neither.
var gpuMemory = &ratio{as: "gpu_memory_usage", of: func(used, free float64) (float64, float64) { return used, used + free }}

// dcgm are the families of NVIDIA's DCGM exporter.
var dcgm = table{
	"DCGM_FI_DEV_GPU_UTIL":                    value("gpu_usage", mean),
	"DCGM_FI_DEV_POWER_USAGE":                 value("power_w", sum),
	"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION":    {{as: "energy_j", how: asValue, fold: sum, scale: 1e-3}}, // in mJ
	"DCGM_FI_DEV_FB_USED":                     {{how: asPart, ratio: gpuMemory, side: 0}, {as: "gpu_memory_used_mib", how: asValue, fold: sum}},
	"DCGM_FI_DEV_FB_FREE":                     {{how: asPart, ratio: gpuMemory, side: 1}, {as: "gpu_memory_free_mib", how: asValue, fold: sum}},
	"DCGM_FI_DEV_FB_RESERVED":                 value("gpu_memory_reserved_mib", sum),
	"DCGM_FI_DEV_GPU_TEMP":                    value("gpu_temperature_celsius", highest),
	"DCGM_FI_DEV_MEMORY_TEMP":                 value("gpu_memory_temperature_celsius", highest),
	"DCGM_FI_DEV_SM_CLOCK":                    value("gpu_sm_clock_mhz", mean),
	"DCGM_FI_DEV_MEM_CLOCK":                   value("gpu_memory_clock_mhz", mean),
	"DCGM_FI_DEV_MEM_COPY_UTIL":               value("gpu_memory_copy_usage", mean),
	"DCGM_FI_DEV_ENC_UTIL":                    value("gpu_encoder_usage", mean),
	"DCGM_FI_DEV_DEC_UTIL":                    value("gpu_decoder_usage", mean),
	"DCGM_FI_DEV_XID_ERRORS":                  value("gpu_xid_error", highest), // the last code
	"DCGM_FI_DEV_PCIE_REPLAY_COUNTER":         rate("gpu_pcie_replays_per_second"),
	"DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL":      value("gpu_nvlink_bandwidth", sum), // a gauge in spite of its name; its unit is the exporter's
	"DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": value("gpu_uncorrectable_remapped_rows", sum),
	"DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS":   value("gpu_correctable_remapped_rows", sum),
	"DCGM_FI_DEV_ROW_REMAP_FAILURE":           value("gpu_row_remap_failure", highest),
	"DCGM_FI_PROF_GR_ENGINE_ACTIVE":           value("gpu_engine_active", mean),
	"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE":         value("gpu_tensor_active", mean),
	"DCGM_FI_PROF_DRAM_ACTIVE":                value("gpu_dram_active", mean),
	"DCGM_FI_PROF_SM_ACTIVE":                  value("gpu_sm_active", mean),
	"DCGM_FI_PROF_SM_OCCUPANCY":               value("gpu_sm_occupancy", mean),
	"DCGM_FI_PROF_PCIE_TX_BYTES":              value("gpu_pcie_tx_bytes_per_second", sum), // gauges, already a second
	"DCGM_FI_PROF_PCIE_RX_BYTES":              value("gpu_pcie_rx_bytes_per_second", sum),
}
