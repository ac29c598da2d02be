// By hand: one hint instruction, no kernel.

#include "textflag.h"

// func pause(n int)
TEXT ·pause(SB), NOSPLIT, $0-8
	MOVQ n+0(FP), CX

next: // one hint a turn
	PAUSE
	SUBQ $1, CX
	JG   next
	RET
