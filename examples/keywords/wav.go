package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// maxWAV bounds a recording: half an hour.
const maxWAV = 64 << 20

// readWAV reads a recording.
func readWAV(name string) ([]float32, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxWAV+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxWAV {
		return nil, fmt.Errorf("more than %d bytes", maxWAV)
	}
	return parseWAV(b)
}

// parseWAV gives the samples of a mono 16-bit 16 kHz recording, -32768 to 32767.
func parseWAV(b []byte) ([]float32, error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return nil, fmt.Errorf("is no WAV file")
	}
	known := false
	for rest := b[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:]))
		rest = rest[8:]
		if size > uint64(len(rest)) {
			return nil, fmt.Errorf("is cut: part %q has %d bytes of %d", name, len(rest), size)
		}
		part := rest[:size]
		rest = rest[min(size+size%2, uint64(len(rest))):] // parts begin at even places
		switch name {
		case "fmt ":
			if len(part) < 16 {
				return nil, fmt.Errorf("says too little about its format")
			}
			form, channels, bits := binary.LittleEndian.Uint16(part), binary.LittleEndian.Uint16(part[2:]), binary.LittleEndian.Uint16(part[14:])
			hz := binary.LittleEndian.Uint32(part[4:])
			if form != 1 || channels != 1 || bits != 16 || hz != rate {
				return nil, fmt.Errorf("form %d, %d channels, %d bits, %d Hz: want form 1 (PCM), 1 channel, 16 bits, %d Hz", form, channels, bits, hz, rate)
			}
			known = true
		case "data":
			if !known {
				return nil, fmt.Errorf("says nothing about its format before its data")
			}
			out := make([]float32, len(part)/2)
			for i := range out {
				out[i] = float32(int16(binary.LittleEndian.Uint16(part[2*i:])))
			}
			return out, nil
		}
	}
	return nil, fmt.Errorf("has no data")
}
