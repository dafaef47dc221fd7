#![cfg_attr(fuzzing, no_main)]

rtmp_fuzz::target!(playback);
