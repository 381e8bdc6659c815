// Frames of a window of a video from Rust, through the C face; no crates.
//   rustc frames.rs -L $(pkg-config --variable=libdir deepsport) && ./frames rally.mp4 0.5 1.5 4
use std::ffi::{c_char, c_int, c_void, CStr, CString};

#[repr(C)]
struct DecodeOptions {
    struct_bytes: usize,
    width: i32,
    height: i32,
    threads: i32,
    deadline_seconds: f64,
    cancel: *mut c_void,
}

#[link(name = "deepsport")]
extern "C" {
    fn ds_open_file(path: *const c_char, options: *const c_void, video: *mut *mut c_void) -> c_int;
    fn ds_close(video: *mut c_void);
    fn ds_last_error() -> *const c_char;
    fn ds_frame_seconds(video: *const c_void, first: i64, count: usize, seconds: *mut f64) -> c_int;
    fn ds_frames_in_window(
        video: *const c_void, start: f64, stop: f64, count: usize, frames: *mut i64,
    ) -> c_int;
    fn ds_decode_rgb(
        video: *mut c_void, frames: *const i64, count: usize, options: *const DecodeOptions,
        rgb: *mut u8, rgb_bytes: usize, status: *mut u8,
    ) -> c_int;
}

fn check(code: c_int) -> Result<(), String> {
    match code {
        0 => Ok(()),
        // the message is valid until this thread's next failure
        _ => Err(unsafe { CStr::from_ptr(ds_last_error()) }.to_string_lossy().into_owned()),
    }
}

struct Video(*mut c_void);

impl Video {
    fn open(path: &str) -> Result<Video, String> {
        let path = CString::new(path).map_err(|error| error.to_string())?;
        let mut video = std::ptr::null_mut();
        check(unsafe { ds_open_file(path.as_ptr(), std::ptr::null(), &mut video) })?;
        Ok(Video(video))
    }

    fn window(&self, start: f64, stop: f64, count: usize) -> Result<Vec<i64>, String> {
        let mut frames = vec![0; count];
        check(unsafe { ds_frames_in_window(self.0, start, stop, count, frames.as_mut_ptr()) })?;
        Ok(frames)
    }

    fn second(&self, frame: i64) -> Result<f64, String> {
        let mut second = 0.0;
        check(unsafe { ds_frame_seconds(self.0, frame, 1, &mut second) })?;
        Ok(second)
    }

    fn rgb(&mut self, frames: &[i64], width: usize, height: usize) -> Result<Vec<u8>, String> {
        let mut rgb = vec![0; frames.len() * width * height * 3];
        let options = DecodeOptions {
            struct_bytes: std::mem::size_of::<DecodeOptions>(),
            width: width as i32,
            height: height as i32,
            threads: 1,
            deadline_seconds: 60.0,
            cancel: std::ptr::null_mut(),
        };
        check(unsafe {
            ds_decode_rgb(self.0, frames.as_ptr(), frames.len(), &options, rgb.as_mut_ptr(),
                          rgb.len(), std::ptr::null_mut())
        })?;
        Ok(rgb)
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        unsafe { ds_close(self.0) }
    }
}

fn main() -> Result<(), String> {
    let words: Vec<String> = std::env::args().collect();
    let [_, path, start, stop, count] = &words[..] else {
        return Err("usage: frames VIDEO START STOP COUNT".into());
    };
    let number = |text: &str| text.parse::<f64>().map_err(|error| format!("{text}: {error}"));
    let mut video = Video::open(path)?;
    let frames = video.window(number(start)?, number(stop)?, number(count)? as usize)?;
    let (width, height) = (96, 64);
    let rgb = video.rgb(&frames, width, height)?;
    for (frame, pixels) in frames.iter().zip(rgb.chunks(width * height * 3)) {
        let mean = pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / pixels.len() as f64;
        println!("frame {frame} at {:.3} s: mean {mean:.1}", video.second(*frame)?);
    }
    Ok(())
}
