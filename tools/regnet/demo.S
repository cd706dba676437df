/* The demo network, embedded so that the command works without any file. */
    .section .rodata
    .balign 64
    .global regnet_demo_weights
regnet_demo_weights:
    .incbin REGNET_DEMO_WEIGHTS
    .global regnet_demo_weights_end
regnet_demo_weights_end:
    .byte 0
    .section .note.GNU-stack,"",@progbits
