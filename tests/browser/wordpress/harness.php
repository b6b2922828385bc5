<?php
/**
 * Loads the plugin without WordPress, and prints what it does as JSON.
 *
 * The functions of WordPress that it calls are here as https://developer.wordpress.org/reference/functions/ describes
 * them, as far as the plugin uses them. Standard input: server and language, and optionally the
 * attributes of a shortcode or a block, what is entered as a server, and whether an editor looks.
 */

define( 'ABSPATH', __DIR__ );
set_error_handler(
	function ( $level, $message, $file, $line ) {
		throw new ErrorException( $message, 0, $level, $file, $line );
	}
);

$input     = json_decode( file_get_contents( 'php://stdin' ), true, 512, JSON_THROW_ON_ERROR );
$options   = array( 'undersign_server' => $input['server'] );
$hooks     = array();
$shortcode = array();
$blocks    = array();
$scripts   = array();
$providers = array();
$settings  = array();
$pages     = array();
$errors    = array();

function add_action( $hook, $callback ) {
	$GLOBALS['hooks'][ $hook ][] = $callback;
}

function do_action( $hook ) {
	foreach ( $GLOBALS['hooks'][ $hook ] as $callback ) {
		$callback();
	}
}

function get_option( $name, $default = false ) {
	return $GLOBALS['options'][ $name ] ?? $default;
}

function get_bloginfo( $show ) {
	return array( 'language' => $GLOBALS['input']['language'] )[ $show ];
}

function current_user_can( $capability ) {
	return in_array( $capability, isset( $GLOBALS['input']['editor'] ) ? array( 'edit_posts', 'manage_options' ) : array(), true );
}

function __( $text, $domain ) {
	assert( 'undersign' === $domain );
	return $text;
}

function esc_html( $text ) {
	return htmlspecialchars( $text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8', false );
}

function esc_attr( $text ) {
	return esc_html( $text );
}

function esc_attr__( $text, $domain ) {
	return esc_attr( __( $text, $domain ) );
}

function esc_html_e( $text, $domain ) {
	echo esc_html( __( $text, $domain ) );
}

/** Refuses schemes other than those of the web, drops what no address holds, and writes & and ' as entities. */
function esc_url( $url ) {
	$url = preg_replace( '|[^a-z0-9-~+_.?#=!&;,/:%@$\|*\'()\[\]\\x80-\\xff]|i', '', $url );
	if ( ! preg_match( '~^(?:https?|mailto):~i', $url ) ) {
		return '';
	}
	return str_replace( array( '&', "'" ), array( '&#038;', '&#039;' ), $url );
}

function shortcode_atts( $pairs, $attributes, $shortcode ) {
	return array_merge( $pairs, array_intersect_key( (array) $attributes, $pairs ) );
}

function add_shortcode( $tag, $callback ) {
	$GLOBALS['shortcode'][ $tag ] = $callback;
}

function plugins_url( $path, $plugin ) {
	assert( is_file( dirname( $plugin ) . '/' . $path ) );
	return 'https://wordpress.example.org/wp-content/plugins/undersign/' . $path;
}

function wp_register_script( $handle, $src, $dependencies, $version, $in_footer ) {
	$GLOBALS['scripts'][ $handle ] = $src;
}

function wp_set_script_translations( $handle, $domain ) {
	assert( isset( $GLOBALS['scripts'][ $handle ] ) && 'undersign' === $domain );
}

function register_block_type( $folder, $arguments ) {
	$block = json_decode( file_get_contents( $folder . '/block.json' ), true, 512, JSON_THROW_ON_ERROR );
	assert( isset( $GLOBALS['scripts'][ $block['editorScript'] ] ) );
	$GLOBALS['blocks'][ $block['name'] ] = $block + $arguments;
}

function get_block_wrapper_attributes() {
	return 'class="wp-block-undersign-petition"';
}

/** An attribute that does not fit block.json is replaced by its default, as WordPress does before it renders. */
function render_block( $name, $attributes ) {
	$block = $GLOBALS['blocks'][ $name ];
	$given = array();
	foreach ( $block['attributes'] as $attribute => $schema ) {
		$value  = $attributes[ $attribute ] ?? $schema['default'];
		$is_fit = is_string( $value ) && in_array( $value, $schema['enum'] ?? array( $value ), true );

		$given[ $attribute ] = $is_fit ? $value : $schema['default'];
	}
	return $block['render_callback']( $given );
}

function wp_get_script_tag( $attributes ) {
	$html = '';
	foreach ( $attributes as $name => $value ) {
		$html .= true === $value ? ' ' . esc_attr( $name ) : sprintf( ' %s="%s"', esc_attr( $name ), esc_attr( $value ) );
	}
	return "<script$html></script>\n";
}

function wp_oembed_add_provider( $format, $provider ) {
	$GLOBALS['providers'][ $format ] = $provider;
}

function register_setting( $group, $name, $arguments ) {
	$GLOBALS['settings'][ $name ] = $arguments;
}

function add_settings_error( $setting, $code, $message ) {
	$GLOBALS['errors'][] = $message;
}

function add_options_page( $title, $menu, $capability, $slug, $callback ) {
	$GLOBALS['pages'][ $slug ] = $callback;
}

function settings_fields( $group ) {
	echo '<input type="hidden" name="option_page" value="' . esc_attr( $group ) . '">';
}

function submit_button() {
	echo '<p class="submit"><input type="submit" class="button button-primary" value="Save Changes"></p>';
}

require $argv[1];
do_action( 'init' );
do_action( 'admin_init' );
do_action( 'admin_menu' );

$answer = array( 'providers' => $providers );
if ( isset( $input['shortcode'] ) ) {
	$answer['html'] = $shortcode['undersign']( $input['shortcode'] );
}
if ( isset( $input['block'] ) ) {
	$answer['html'] = render_block( 'undersign/petition', $input['block'] );
}
if ( isset( $input['entered'] ) ) {
	$answer['saved']  = $settings['undersign_server']['sanitize_callback']( $input['entered'] );
	$answer['errors'] = $errors;
}
ob_start();
$pages['undersign']();
$answer['settings'] = ob_get_clean();
echo json_encode( $answer, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES );
