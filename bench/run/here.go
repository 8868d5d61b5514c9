package run

// Here returns the environment of this process.
func Here() Environment { return environment() }

// LoadAverage returns how many tasks of the machine ran or waited to run during
// the last minute, on average, or a negative number where that is not known.
func LoadAverage() float64 {
	if averages := loadAverage(); averages != nil {
		return averages[0]
	}
	return -1
}
